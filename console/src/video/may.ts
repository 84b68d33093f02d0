// Which of the pages about cameras a role sees. Pure; the server's policies decide.
const has = (roles: readonly string[], ...of: string[]): boolean => of.some((role) => roles.includes(role));

export const managesCameras = (roles: readonly string[]): boolean => has(roles, 'administrator');
export const seesWall = (roles: readonly string[]): boolean => has(roles, 'operator', 'duty_officer', 'school_officer', 'custody_supervisor', 'prosecutor', 'auditor');
export const seesCameras = (roles: readonly string[]): boolean => seesWall(roles) || has(roles, 'inspector', 'administrator');
